"""What the shop sells: products, codes, packs, categories, tax classes, search.

Owns `tax_class`, `tax_rate`, `category`, `product`, `product_barcode`, `product_pack`, `price_change`, `product_gram`.
"""
