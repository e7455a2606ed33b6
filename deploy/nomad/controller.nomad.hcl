# A manager as the controller of the CSI plugin `volplane`. Nomad sets CSI_ENDPOINT itself.
job "volplane-controller" {
  type = "service"

  group "controller" {
    count = 2

    constraint {
      distinct_hosts = true
    }

    network {
      mode = "host"
    }

    task "manager" {
      driver = "docker"

      config {
        # deploy/docker/Dockerfile
        image        = "volplane-manager:0.1.0"
        network_mode = "host"
      }

      # The folder of the socket belongs to root.
      user = "root"

      env {
        VOLPLANE_MANAGER_ETCD       = "http://etcd.service.consul:2379"
        VOLPLANE_MANAGER_NATS       = "nats://nats.service.consul:4222"
        VOLPLANE_MANAGER_LISTEN     = "127.0.0.1:7400"
        VOLPLANE_MANAGER_CSI_DRIVER = "image"
      }

      csi_plugin {
        id        = "volplane"
        type      = "controller"
        mount_dir = "/csi"
        # Ready as soon as the drivers are known, which waits for etcd and NATS.
        health_timeout = "90s"
      }

      resources {
        cpu    = 200
        memory = 256
      }
    }
  }
}
