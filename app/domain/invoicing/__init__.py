"""What the law wants of an electronic document: its frozen content, its identity, its arithmetic, its rules, its XML.

Pure: no database, no clock, no network. `app.integrations.dian` signs and carries what is built here. Only `xml` needs lxml.
"""
