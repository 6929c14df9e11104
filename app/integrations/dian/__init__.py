"""DIAN's side of the wire: certificates, signatures, file names and the SOAP service. Knows no domain; needs lxml."""
