// What the peers on Node do behind an operation, and the key that they take.

export const KEY = 'bench-key-0123456789abcdef';

export const getItem = (id, active, sizes) => ({ id, active, sizes });

export const createOrder = (order) => ({
  customer: order.customer,
  lines: order.lines.length,
  pieces: order.lines.reduce((sum, line) => sum + line.count, 0),
});
