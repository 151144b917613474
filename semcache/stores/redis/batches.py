class RedisBatches:
    def __init__(self, link, leases): pass
    def close(self): pass
