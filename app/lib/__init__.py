"""What any domain may use; imports none of them."""
