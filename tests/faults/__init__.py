"""Everything that can break, broken in turn: who is told of it, how soon, and how soon of its end."""
