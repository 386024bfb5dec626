-- What wrk sends: the requests in the file ADVOLINK_BENCH_REQUESTS, one after another and then again from the first.
-- They are made ready beforehand: making them must not cost the core that also has to send them. With
-- ADVOLINK_BENCH_PAUSE_MS each connection waits so long between two of them. At the end one line of JSON says what came
-- of it, for wrk's own words are rounded.

local ready, at = {}, 0
local threads = {}
local pause = tonumber(os.getenv("ADVOLINK_BENCH_PAUSE_MS") or "")

function setup(thread) threads[#threads + 1] = thread end

function init(args)
   local file = assert(io.open(os.getenv("ADVOLINK_BENCH_REQUESTS"), "rb"))
   local all = file:read("*a")
   file:close()
   local from = 1
   while true do
      local _, last = all:find("\r\n\r\n", from, true)
      if not last then break end
      local body = tonumber(all:sub(from, last):match("Content%-Length: (%d+)")) or 0
      ready[#ready + 1] = all:sub(from, last + body)
      from = last + body + 1
   end
   cpu_before = os.clock()  -- a global, so that done() can ask for it
end

if pause then
   function delay() return pause end
end

function request()
   at = at % #ready + 1
   return ready[at]
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50_ms": %.3f, "p99_ms": %.3f, "cpu_s": %.3f}\n',
      summary.requests, summary.duration / 1e6, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, os.clock() - threads[1]:get("cpu_before")))
end
