-- Posts one body over and over. Arguments: file of the body, then pairs of header name and value.
-- At the end one line of JSON: what bench/load.py reads.
function init(args)
  local file = assert(io.open(args[1], "rb"))
  local headers = { ["Content-Type"] = "application/json" }
  for at = 2, #args - 1, 2 do
    headers[args[at]] = args[at + 1]
  end
  prepared = wrk.format("POST", nil, headers, file:read("*a"))
  file:close()
end

function request()
  return prepared
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_ms":%.4f,"p99_ms":%.4f,"bad_status":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
