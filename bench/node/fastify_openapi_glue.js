// fastify-openapi-glue: node fastify_openapi_glue.js DOCUMENT PORT

import fastify from 'fastify';
import glue from 'fastify-openapi-glue';
import { KEY, createOrder, getItem } from './shop.js';

const [document, port] = process.argv.slice(2);

class Unauthorized extends Error {
  statusCode = 401;
}

const serviceHandlers = {
  get_item: async (req) => getItem(req.params.id, req.query.active, req.query.sizes),
  create_order: async (req) => createOrder(req.body),
};
const securityHandlers = {
  key: async (req) => {
    if (req.headers['x-api-key'] !== KEY) throw new Unauthorized('unauthorized');
  },
};

const app = fastify({ logger: false, ajv: { customOptions: { coerceTypes: 'array' } } });
app.register(glue, { specification: document, serviceHandlers, securityHandlers });
await app.listen({ port: Number(port), host: '127.0.0.1' });
