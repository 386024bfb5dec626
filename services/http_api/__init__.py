"""How both services speak HTTP: problems, keys and scopes, body limits, the management port, the server.

Knows FastAPI and uvicorn; knows nothing of links, clicks or counts.
"""
