"""Makes system prompts shorter, and finds out what that would change, before anybody uses them."""
