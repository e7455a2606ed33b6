# An agent on every client, as the node part of the CSI plugin `volplane`.
job "volplane-node" {
  type = "system"

  group "node" {
    network {
      mode = "host"
    }

    task "agent" {
      driver = "docker"

      config {
        # deploy/docker/Dockerfile
        image        = "volplane-agent:0.1.0"
        network_mode = "host"
        # It mounts.
        privileged = true

        # What is mounted here must stay on the host when the container ends: an agent that cannot see its mounts
        # believes them gone.
        mount {
          type   = "bind"
          source = "/var/lib/volplane"
          target = "/var/lib/volplane"
          bind_options {
            propagation = "rshared"
          }
        }
      }

      template {
        destination = "local/drivers.json"
        data        = <<-JSON
          [{ "kind": "image", "name": "image", "root": "/var/lib/volplane/images", "scope": "local" }]
        JSON
      }

      env {
        VOLPLANE_AGENT_NODE       = "${node.unique.name}"
        VOLPLANE_AGENT_NATS       = "nats://nats.service.consul:4222"
        VOLPLANE_AGENT_DATA_DIR   = "/var/lib/volplane"
        VOLPLANE_AGENT_DRIVERS    = "/local/drivers.json"
        VOLPLANE_AGENT_LISTEN     = "unix:/var/lib/volplane/agent.sock"
        VOLPLANE_AGENT_CSI_DRIVER = "image"
      }

      csi_plugin {
        id             = "volplane"
        type           = "node"
        mount_dir      = "/csi"
        health_timeout = "90s"
      }

      resources {
        cpu    = 200
        memory = 256
      }
    }
  }
}
