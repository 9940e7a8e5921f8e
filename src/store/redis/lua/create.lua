local id, new_revision, until_deadline = struct.unpack('>c20c8I8', ARGV[1])
call('ZADD', KEYS[3], now + until_deadline, id)
call('SET', KEYS[1], new_revision .. struct.pack('>I8I8B', now, now, 4) .. ARGV[2])
return now
