"""gRPC over HTTP/2 on asyncio protocols, in one thread: what is needed to answer calls, and nothing for clients."""
