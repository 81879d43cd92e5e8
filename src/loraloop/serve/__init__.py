"""Release -> Exchange: a gateway that answers users, over engines that serve releases under never-reused names."""
