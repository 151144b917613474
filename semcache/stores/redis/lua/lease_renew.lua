-- Time or '', owner, fence, seconds: whether it was not lost.
if is_lost(ARGV[2], ARGV[3]) then return 0 end
keep(now(ARGV[1]), ARGV[4])
return 1
