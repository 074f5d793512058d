"""What is measured and how: protocol, runs on disk, calibration, tuning, benchmarks."""
