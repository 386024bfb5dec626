-- What wrk sends: codes drawn by Zipf(1) from the file in ADVOLINK_BENCH_CODES, each request with one of the user
-- agents there and one of 50 000 forwarded addresses. Requests are made ready beforehand: drawing them must not cost
-- the core that also has to send them. With ADVOLINK_BENCH_PAUSE_MS each connection waits so long between two of them.

local READY = 20000
local ready, at = {}, 0

local function lines_of(path)
   local lines = {}
   for line in io.lines(path) do lines[#lines + 1] = line end
   return lines
end

function init(args)
   math.randomseed(7)
   local codes = lines_of(os.getenv("ADVOLINK_BENCH_CODES"))
   local agents = lines_of(os.getenv("ADVOLINK_BENCH_AGENTS"))
   local total, upto = 0, {}
   for rank = 1, #codes do total = total + 1 / rank; upto[rank] = total end
   local function draw()
      local wanted, low, high = math.random() * total, 1, #codes
      while low < high do
         local middle = math.floor((low + high) / 2)
         if upto[middle] < wanted then low = middle + 1 else high = middle end
      end
      return codes[low]
   end
   for n = 1, READY do
      local host = math.random(0, 49999)
      local headers = {
         ["User-Agent"] = agents[math.random(#agents)],
         ["Accept-Language"] = "en-US,en;q=0.9",
         ["Referer"] = "https://www.linkedin.com/",
         ["X-Forwarded-For"] = "10." .. math.floor(host / 65536) .. "." .. math.floor(host / 256) % 256 .. "." .. host % 256,
      }
      ready[n] = wrk.format("GET", "/" .. draw(), headers)
   end
end

local pause = tonumber(os.getenv("ADVOLINK_BENCH_PAUSE_MS") or "")
if pause then
   function delay() return pause end
end

function request()
   at = at % READY + 1
   return ready[at]
end
