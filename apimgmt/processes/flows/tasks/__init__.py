"""The kinds of tasks, one file each, registered as ``task`` under the member that tells them."""
