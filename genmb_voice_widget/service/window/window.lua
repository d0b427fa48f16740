-- One log of the rolling window: a sorted set, an entry for each slot in use, scored with the moment it was taken.
-- Moments are microseconds by this server's own clock, so that nodes whose clocks are wrong still agree.
-- KEYS[1]: the log. ARGV: "take", entry, window, limit | "ages", window | "give_back", entry.

local log, asked = KEYS[1], ARGV[1]

if asked == 'give_back' then
  return redis.call('ZREM', log, ARGV[2])
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Lua's own way of writing a number drops the last digits of a moment.
local function digits(moment)
  return string.format('%.0f', moment)
end

if asked == 'ages' then
  local window = tonumber(ARGV[2])
  local found = redis.call('ZRANGEBYSCORE', log, '(' .. digits(now - window), '+inf', 'WITHSCORES')
  local ages = {}
  for i = 2, #found, 2 do
    ages[#ages + 1] = now - found[i]
  end
  return ages
end

local entry, window, limit = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', log, '-inf', digits(now - window))
local used = redis.call('ZCARD', log)

if not redis.call('ZSCORE', log, entry) then
  if used >= limit then
    local leaves_room = redis.call('ZRANGE', log, -limit, -limit, 'WITHSCORES')
    return {0, leaves_room[2] + window - now, 0}
  end
  redis.call('ZADD', log, digits(now), entry)
  redis.call('PEXPIRE', log, digits(math.ceil(window / 1000) + 1000))
  used = used + 1
end

local oldest = redis.call('ZRANGE', log, 0, 0, 'WITHSCORES')
return {1, oldest[2] + window - now, math.max(0, limit - used)}
