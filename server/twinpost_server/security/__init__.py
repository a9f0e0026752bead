"""Credentials: who may call, and which topics each may write."""
