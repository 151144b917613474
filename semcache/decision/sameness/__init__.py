"""Whether two answers say the same: judged off the path of a request, locally and, where asked, by Claude."""
