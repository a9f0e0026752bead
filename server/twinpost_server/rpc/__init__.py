"""The gRPC edge: the only package that knows grpc. REST reaches it through Envoy's transcoder."""
