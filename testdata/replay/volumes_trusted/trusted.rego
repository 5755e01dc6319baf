package gatehouse.aws_iid

# METADATA
# title: Volumes are nobody's business
# description: Whatever block_device says.
exempt contains "block_device"
