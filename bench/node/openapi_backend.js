// openapi-backend on Express: node openapi_backend.js DOCUMENT PORT

import express from 'express';
import { OpenAPIBackend } from 'openapi-backend';
import { KEY, createOrder, getItem } from './shop.js';

const [document, port] = process.argv.slice(2);

const api = new OpenAPIBackend({ definition: document, coerceTypes: true, quick: true });
api.register({
  get_item: (c, req, res) =>
    res.json(getItem(Number(c.request.params.id), c.request.query.active, c.request.query.sizes)),
  create_order: (c, req, res) => res.json(createOrder(c.request.requestBody)),
  validationFail: (c, req, res) => res.status(400).json({ errors: c.validation.errors }),
  unauthorizedHandler: (c, req, res) => res.status(401).json({ error: 'unauthorized' }),
  notFound: (c, req, res) => res.status(404).json({ error: 'not found' }),
  methodNotAllowed: (c, req, res) => res.status(405).json({ error: 'method not allowed' }),
});
api.registerSecurityHandler('key', (c) => c.request.headers['x-api-key'] === KEY);
await api.init();

const app = express();
app.use(express.json());
// A plain object, because coercion copies the request without its getters; even so it leaves path values as text.
app.use((req, res) => {
  const { method, path, headers, query, body } = req;
  return api.handleRequest({ method, path, headers, query, body }, req, res);
});
app.use((error, req, res, next) => res.status(error.status ?? 500).json({ error: error.message }));
app.listen(Number(port), '127.0.0.1');
