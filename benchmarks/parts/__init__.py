"""What the benchmarks share: traffic, an MQTT publisher, programs as children, and what the kernel counts of them."""
