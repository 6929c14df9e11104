"""SQL of electronic documents for the statements of a sale, and for whoever else issues.

Exported for `sales/post.py` alone (ADR 0002); everything else asks the services of this domain.
"""

from typing import Final

ISSUING: Final = """
(SELECT json_build_object(
   'environment', g.environment, 'sale_document', g.sale_document,
   'software', json_build_object('id', g.software_id, 'pin', encode(g.software_pin, 'hex'), 'name', g.software_name,
      'provider_nit', g.provider_nit, 'maker', g.maker, 'maker_person', g.maker_person),
   'issuer', json_build_object('name', t.name, 'nit', t.nit, 'dv', t.dv, 'organization', t.organization,
      'tribute', t.tribute, 'responsibilities', t.responsibilities, 'address', t.address,
      'municipality_code', t.municipality_code, 'postal_code', t.postal_code, 'phone', t.phone, 'email', t.email,
      'trade_name', t.trade_name, 'activities', t.ciiu, 'merchant_register', t.merchant_registration),
   'buyer', json_build_object('organization', b.organization, 'identification_type', b.identification_type,
      'identification', b.identification, 'dv', b.dv, 'name', b.name, 'email', b.email, 'phone', b.phone,
      'address', b.address, 'municipality_code', b.municipality_code, 'tribute', b.tribute,
      'responsibilities', b.responsibilities, 'is_final_consumer', b.is_final_consumer),
   'place', (SELECT json_build_object('register', till.name, 'branch', shop.name, 'address', shop.address)
             FROM cash_register till JOIN branch shop ON shop.tenant_id = till.tenant_id AND shop.id = till.branch_id
             WHERE till.tenant_id = {tenant} AND shop.tenant_id = {tenant} AND till.id = {register}),
   'ranges', (SELECT json_agg(best) FROM (
      SELECT DISTINCT ON (n.kind) n.id, n.kind, n.authorization_no, n.prefix, n.first_no, n.last_no, n.valid_from,
             n.valid_to, encode(n.technical_key, 'hex') AS technical_key
      FROM document_range n JOIN document_counter k ON k.tenant_id = n.tenant_id AND k.range_id = n.id
      WHERE n.tenant_id = {tenant} AND k.tenant_id = {tenant} AND n.environment = g.environment AND n.kind = ANY({kinds})
        AND k.is_open AND k.next_no <= k.last_no AND {day} BETWEEN n.valid_from AND n.valid_to
        AND (n.register_id = {register}
             OR n.register_id IS NULL AND (n.branch_id = {branch} OR n.branch_id IS NULL))
      ORDER BY n.kind, n.register_id NULLS LAST, n.branch_id NULLS LAST, n.valid_to, n.first_no) best),
   'tributes', (SELECT json_object_agg(x.code, json_build_array(x.tribute, x.nominal_tribute)) FROM tax_class x),
   'uvt', (SELECT f.value FROM legal_figure f WHERE f.name = 'uvt' AND f.valid_from <= {day}
           ORDER BY f.valid_from DESC LIMIT 1),
   'pos_uvt', (SELECT f.value FROM legal_figure f WHERE f.name = 'pos-uvt' AND f.valid_from <= {day}
               ORDER BY f.valid_from DESC LIMIT 1))
 FROM dian_setting g
 JOIN tenant t ON t.tenant_id = g.tenant_id
 LEFT JOIN customer b ON b.tenant_id = {tenant} AND b.id = {customer}
 WHERE g.tenant_id = {tenant} AND t.tenant_id = {tenant} AND {condition})"""
"""What `issuing.Issuing` is read from; null for a company that issues nothing, which pays one probe for asking.

Of each kind the narrowest range with numbers left: of the till, of the branch, of the company."""

_ROW: Final = (
    "r(id uuid, kind text, environment text, range_id uuid, prefix text, tail text, branch_id uuid, "
    "counterpart_name text, counterpart_identification text, payable numeric, issued_at timestamptz, qr text, "
    "sweep_at timestamptz, job_id uuid)"
)

DOCUMENT_NUMBERED: Final = (
    """
 paper AS MATERIALIZED (
   SELECT r.*, taken.no, r.prefix || taken.no AS number,
          encode(sha384(convert_to(r.prefix || taken.no || r.tail, 'UTF8')), 'hex') AS uuid
   FROM num, json_to_record({row}) AS """
    + _ROW
    + """,
        LATERAL take_document_number($1, CASE WHEN num.no > 0 THEN r.range_id END) AS taken(no))"""
)
"""Takes the range's next number (migration 0017) once the ticket has its own, and computes CUFE or CUDE over it.

Raises `RANGE_SPENT` when there is none left."""

NUMBER_MARK: Final = "\x05"
UUID_MARK: Final = "\x06"
"""Stand for number and UUID in texts that are made before both are known."""

NUMBERED: Final = "replace(replace({text}, chr(5), paper.number), chr(6), paper.uuid)"
"""A text with both in place of the marks."""

DOCUMENT_ISSUED: Final = (
    """
 issued AS (INSERT INTO document (tenant_id, id, kind, environment, range_id, consecutive, number, sale_id, branch_id,
                counterpart_name, counterpart_identification, payable, issued_at, uuid, qr, content, user_id, created_at)
            SELECT $1, paper.id, paper.kind, paper.environment, paper.range_id, paper.no, paper.number, {sale},
                   paper.branch_id, paper.counterpart_name, paper.counterpart_identification, paper.payable,
                   paper.issued_at, paper.uuid, """
    + NUMBERED.format(text="paper.qr")
    + """, {content}, {user}, {at} FROM paper),
 standing AS (INSERT INTO document_state (tenant_id, document_id, kind, uuid, next_at)
              SELECT $1, paper.id, paper.kind, paper.uuid, paper.sweep_at FROM paper),
 wish AS (INSERT INTO outbox (tenant_id, id, queue, kind, payload, due_at, request_id)
          SELECT $1, paper.job_id, 'short', 'invoicing.transmit', jsonb_build_object('documentId', paper.id), {at}, {request}
          FROM paper)"""
)
"""Writes the document as pending, and the job that transmits it."""

ENABLED: Final = "g.is_enabled"
"""Condition of `ISSUING`: of whoever issues for customers."""

RANGE_SPENT: Final = "MD001"
"""SQLSTATE of a range without numbers."""
