"""A Connexion application: pets in memory, written against Swagger 2."""

import datetime
import logging

from connexion import NoContent
from werkzeug.exceptions import abort

PETS: dict = {}


def get_pets(limit, animal_type=None):
    """All pets, or those of one kind."""
    return {"pets": [pet for pet in PETS.values() if not animal_type or pet["animal_type"] == animal_type][:limit]}


def get_pet(pet_id):
    """One pet, or 404 with a word."""
    pet = PETS.get(pet_id)
    return pet or ("Not found", 404)


def put_pet(pet_id, pet):
    """Make or change a pet; the body has the name that the document gives it."""
    exists = pet_id in PETS
    pet["id"] = pet_id
    if exists:
        logging.info("Updating pet %s..", pet_id)
        PETS[pet_id].update(pet)
    else:
        pet["created"] = datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)
        PETS[pet_id] = pet
    return NoContent, (200 if exists else 201)


def delete_pet(pet_id):
    """Remove a pet; abort where there is none."""
    if pet_id not in PETS:
        abort(404, "no such pet")
    del PETS[pet_id]
    return NoContent, 204


def rename(pet_id, id_, name, tags=(), **rest):
    """Form fields by name; a field whose name is a built-in has an underscore; the others are in rest."""
    return {"pet_id": pet_id, "id": id_, "name": name, "tags": tags, "rest": sorted(rest)}
