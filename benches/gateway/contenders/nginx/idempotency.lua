-- Idempotency keys in nginx as an operator writes them by hand: a claim and a completion are one SET each.
-- The value of a key is the SHA-256 of the request's body and, once it is answered, status, type and body.
local redis = require "nginx.redis"
local sha256 = require "nginx.sha256"

local DAY_SECONDS = 24 * 60 * 60
local DIGEST = 32

local key = ngx.req.get_headers()["idempotency-key"]
if not key then
    return ngx.exec("@payments")
end

ngx.req.read_body()
local hash = sha256:new()
hash:update(ngx.req.get_body_data() or "")
local digest = hash:final()

local store = redis:new()
store:set_timeout(1000)
if not store:connect("127.0.0.1", tonumber(ngx.var.redis_port)) then
    return ngx.exit(503)
end
local found, failed = store:set(key, digest, "NX", "GET", "EX", DAY_SECONDS)
if failed then
    return ngx.exit(503)
end

if found ~= ngx.null then
    store:set_keepalive(60000, 256)
    if found:sub(1, DIGEST) ~= digest then
        return ngx.exit(422)
    end
    local status, kind, body = found:sub(DIGEST + 1):match("^(%d+)\n([^\n]*)\n(.*)$")
    if not status then
        return ngx.exit(409)
    end
    ngx.status = tonumber(status)
    ngx.header["content-type"] = kind
    ngx.header["content-length"] = #body
    ngx.header["idempotent-replayed"] = "true"
    return ngx.print(body)
end

local method = ngx["HTTP_" .. ngx.req.get_method()]
local answer = ngx.location.capture("/payments" .. ngx.var.request_uri, {
    method = method,
    always_forward_body = true,
})
local kind = answer.header["content-type"] or ""
store:set(key, digest .. answer.status .. "\n" .. kind .. "\n" .. answer.body, "EX", DAY_SECONDS)
store:set_keepalive(60000, 256)
ngx.status = answer.status
for name, value in pairs(answer.header) do
    ngx.header[name] = value
end
ngx.header["content-length"] = #answer.body
ngx.print(answer.body)
