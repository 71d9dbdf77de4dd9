-- Arguments: the path, the file with the body, and the headers as "Name: value" each.
-- "@@" stands for the number of the request: in a header for one that never comes again, in the
-- body for one that comes round, so that so many different bodies are sent.
local DIFFERENT = 10000
local path, body, headers, base, sent

function init(args)
  path, headers, sent = args[1], {}, 0
  base = string.format("%x-%s-", os.time(), tostring(headers):match("0x(%x+)"))
  local file = assert(io.open(args[2], "rb"))
  body = file:read("*all")
  file:close()
  for number = 3, #args do
    local name, value = args[number]:match("^([^:]+): (.*)$")
    headers[name] = value
  end
end

local function filled(text, number)
  return (text:gsub("@@", number))
end

function request()
  sent = sent + 1
  local own = {}
  for name, value in pairs(headers) do
    own[name] = value:find("@@", 1, true) and filled(value, base .. sent) or value
  end
  local text = body
  if #body < 1024 and body:find("@@", 1, true) then
    text = filled(body, tostring(sent % DIFFERENT))
  end
  return wrk.format("POST", path, own, text)
end
