// A sale through the generated types: `node clients/typescript/example.ts http://127.0.0.1:8000`, after `make clients`.

import createClient from "openapi-fetch";

import type { components, paths } from "./api.d.ts";

type Ticket = components["schemas"]["PostSale"];

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8000";

function done<Body>(answer: { data?: Body; error?: unknown }): Body {
  if (answer.data === undefined) {
    throw new Error(`refused: ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

const open = createClient<paths>({ baseUrl });
const account = done(
  await open.POST("/v1/auth/signup", {
    body: {
      company: { name: "Tienda de TypeScript", nit: "900123456" },
      owner: { name: "Ana", email: "ana@typescript.test", password: "una clave larga y propia" },
    },
  }),
);

const api = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${account.accessToken}` } });
const keyed = (key: string = crypto.randomUUID()) => ({ header: { "Idempotency-Key": key } });

const product = done(
  await api.POST("/v1/products", {
    body: { sku: "CEM-50", name: "Cemento gris 50 kg", price: "34900", taxClass: "iva19" },
  }),
);
done(
  await api.POST("/v1/inventory/adjustments", {
    params: keyed(),
    body: { reason: "opening", lines: [{ productId: product.id, quantity: "20", unitCost: "27500" }] },
  }),
);
const [register] = done(await api.GET("/v1/cash/registers")).items;
if (register === undefined) {
  throw new Error("a new company has a register");
}
const session = done(
  await api.POST("/v1/cash/sessions", {
    params: keyed(),
    body: { registerId: register.id, openingAmount: "100000" },
  }),
);
const ticket: Ticket = {
  sessionId: session.id,
  lines: [{ productId: product.id, quantity: "2" }],
  payments: [{ method: "cash", amount: "100000" }],
};
const key = crypto.randomUUID();
const sale = done(await api.POST("/v1/sales", { params: keyed(key), body: ticket }));
// A lost answer is asked for again with the same key: no second sale.
const again = done(await api.POST("/v1/sales", { params: keyed(key), body: ticket }));
if (again.id !== sale.id) {
  throw new Error("two sales");
}
console.log(`${sale.number}: ${sale.total}, cambio ${sale.change}`);
