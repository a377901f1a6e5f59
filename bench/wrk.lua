-- Sends the requests that the environment describes; prints the result as one line of JSON.
-- BENCH_TARGETS has one target a line; with more than one they are sent in turn.

wrk.method = os.getenv("BENCH_METHOD")
wrk.headers["X-API-Key"] = os.getenv("BENCH_KEY")
local body = os.getenv("BENCH_BODY")
if body ~= "" then
  wrk.body = body
  wrk.headers["Content-Type"] = "application/json"
end

local targets = {}
for target in string.gmatch(os.getenv("BENCH_TARGETS"), "[^\n]+") do
  targets[#targets + 1] = target
end

if #targets > 1 then
  local requests, position = {}, 0

  function init(args)
    for number, target in ipairs(targets) do
      requests[number] = wrk.format(nil, target)
    end
  end

  function request()
    position = position % #requests + 1
    return requests[position]
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"refused":%d,"failed":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
