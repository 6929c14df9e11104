"""The counter: sales, returns, voids, held tickets. A sale is made in `post.py`.

Owns `sale`, `sale_line`, `sale_payment`, `sale_line_remaining`, `sale_return`, `sale_return_line`, `sale_refund`, `held_ticket`.
"""
