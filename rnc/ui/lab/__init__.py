"""The parts of the attack lab's page: the request (`form`), the job that answers it (`jobs`), and its result (`activities`)."""
