"""The documents in UBL 2.1, in the order and with the literals that DIAN's annexes fix. The only part that needs lxml."""
