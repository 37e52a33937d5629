"""The attack lab's worker process: it loads networks, attacks and measures. With torch, unlike the rest of the lab."""
