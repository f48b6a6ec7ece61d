-- Part of the balancer's HAProxy, in its own process: keeps API keys and certificates those of the mounted files,
-- without a reload, which would cut connections. The files' names come in the environment.

local seconds_between_looks = 2

local function read(name)
  local file = name and io.open(name, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

-- What the balancer above and the pod's readiness ask: whether this process is to go.
local drain_file = os.getenv("BALANCER_DRAIN_FILE")
core.register_fetches("draining", function()
  local file = io.open(drain_file, "rb")
  if file then file:close() end
  return file ~= nil
end)

-- API keys: lines of a sha256 and its caller. Only what differs is touched, so that a key that stays is always known.
local keys = { file = os.getenv("BALANCER_API_KEYS_FILE"), map = os.getenv("BALANCER_API_KEYS_MAP"), known = {} }

local function follow_keys()
  local text = read(keys.file)
  -- A file that cannot be read says nothing about keys.
  if text == nil or text == keys.text then return end
  local wanted = {}
  for line in text:gmatch("[^\r\n]+") do
    local hash, caller = line:match("^(%x+) +(%S+) *$")
    if hash then wanted[hash] = caller end
  end
  for hash, caller in pairs(wanted) do
    if keys.known[hash] ~= caller then core.set_map(keys.map, hash, caller) end
  end
  for hash in pairs(keys.known) do
    if wanted[hash] == nil then core.del_map(keys.map, hash) end
  end
  keys.text, keys.known = text, wanted
  core.log(core.notice, "the API keys were read")
end

-- One command of the runtime API. A payload ends at its first empty line.
local function command(words, payload)
  local socket = core.tcp()
  socket:settimeout(5)
  if not socket:connect("unix@" .. os.getenv("BALANCER_SOCKET")) then return "the runtime socket does not answer" end
  local text = payload and (words .. " <<\n" .. payload:gsub("\r", ""):gsub("\n+", "\n"):gsub("^\n", "") .. "\n") or words
  socket:send(text .. "\n")
  local answer = socket:receive("*a") or ""
  socket:close()
  return answer
end

-- What is looked at here is read before HAProxy reads it: what changes in between is set once more, and nothing is missed.
local function followed(kind, name, files)
  local texts = {}
  for i, file in ipairs(files) do texts[i] = read(file) end
  return { kind = kind, name = name, files = files, loaded = table.concat(texts, "\n") }
end

local function follow(one)
  local texts = {}
  for i, file in ipairs(one.files) do
    texts[i] = read(file)
    if texts[i] == nil then return end
  end
  local text = table.concat(texts, "\n")
  if text == one.loaded then return end
  local set = command("set ssl " .. one.kind .. " " .. one.name, text)
  local commit = command("commit ssl " .. one.kind .. " " .. one.name)
  if commit:find("Success") then
    one.loaded, one.failed = text, nil
    core.log(core.notice, one.name .. " was read again")
    return
  end
  command("abort ssl " .. one.kind .. " " .. one.name)
  -- A certificate may come before its key: what fails is tried again, and told once.
  if one.failed ~= text then core.log(core.warning, one.name .. " is not taken: " .. set .. commit) end
  one.failed = text
end

local secrets = {}
local certificate = os.getenv("BALANCER_CERTIFICATE")
if certificate then
  table.insert(secrets, followed("cert", certificate, { certificate, (certificate:gsub("%.crt$", ".key")) }))
end
local authorities = os.getenv("BALANCER_CLIENT_AUTHORITIES")
if authorities then table.insert(secrets, followed("ca-file", authorities, { authorities })) end

core.register_init(follow_keys)
core.register_task(function()
  while true do
    core.sleep(seconds_between_looks)
    follow_keys()
    for _, one in ipairs(secrets) do follow(one) end
  end
end)
