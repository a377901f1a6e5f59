// express-openapi-validator: node express_openapi_validator.js DOCUMENT PORT

import express from 'express';
import { middleware } from 'express-openapi-validator';
import { KEY, createOrder, getItem } from './shop.js';

const [document, port] = process.argv.slice(2);

const app = express();
app.use(express.json());
app.use(
  middleware({
    apiSpec: document,
    validateRequests: true,
    validateResponses: false,
    validateSecurity: { handlers: { key: (req) => req.headers['x-api-key'] === KEY } },
  }),
);
app.get('/items/:id', (req, res) => res.json(getItem(req.params.id, req.query.active, req.query.sizes)));
app.post('/orders', (req, res) => res.json(createOrder(req.body)));
app.use((error, req, res, next) => res.status(error.status ?? 500).json({ errors: error.errors ?? error.message }));
app.listen(Number(port), '127.0.0.1');
