# nomad volume create deploy/nomad/volume.hcl
id        = "db[0]"
name      = "db[0]"
type      = "csi"
plugin_id = "volplane"

capacity_min = "1GiB"
capacity_max = "1GiB"

capability {
  access_mode     = "single-node-writer"
  attachment_mode = "file-system"
}

mount_options {
  mount_flags = ["noatime"]
}

parameters {
  driver = "image"
  fs     = "xfs"
}
