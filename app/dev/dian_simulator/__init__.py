"""A DIAN on this machine: plays `WcfDianCustomerServices.svc` for development and tests, with a clock and faults of its own.

`python -m app.dev.dian_simulator PORT FOLDER [CLOCK_FILE]`; `app.dev.dian_desk` speaks to its control door, and
`docs/DIAN-SIMULATOR.md` tells what it does. It shares no code with what builds and signs the documents: a common
mistake would stay hidden. Signatures are checked, and its own answers signed, by xmlsec.
"""
