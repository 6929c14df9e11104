"""The company and its places (branches, warehouses, registers, consecutives), its plan and its life.

Owns `tenant`, `company_logo`, `branch`, `warehouse`, `cash_register`, `numbering`; the company's plan and life: `plan`, `tenant_usage`,
`tenant_module`, `tenant_move`, `tenant_transition`.
"""
