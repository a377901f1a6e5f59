"""What clashes with an API that is there is refused with both ways out, as the command line writes them."""

from __future__ import annotations

import pytest

from apimgmt.control.addresses import check_free, given_name
from apimgmt.errors import Problem


def test_a_base_path_of_another_api_names_the_options() -> None:
    """Elsewhere, or as its next revision."""
    with pytest.raises(Problem, match=r"--prefix /\.\.\..*--revision-of docker") as caught:
        check_free("/v1.55", "api_2", {"/v1.55": ("api_1", "docker")})
    assert caught.value.status == 409
    check_free("/v1.55", "api_1", {"/v1.55": ("api_1", "docker")})


def test_a_name_that_is_taken_names_the_option() -> None:
    """The same document again is a revision."""
    with pytest.raises(Problem, match="--revision-of"):
        given_name("docker", ["docker"])
    assert given_name("docker-2", ["docker"]) == "docker-2"
