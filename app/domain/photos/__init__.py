"""Photos of products and people: private, drawn anew, reached by links that expire."""
