"""The attack lab's page in parts: what is asked for (`form`), the work on it (`work`), and what came of it."""
