"""What everything stands on: plug-ins, durable files, records, processes, devices, weights. It knows no task."""
