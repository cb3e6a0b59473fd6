"""Trails are deleted by name or ARN; moto knows the name only, and says nothing of what it does not find."""

from moto.cloudtrail.models import cloudtrail_backends

from tests.simulators.aws.operations import ACCOUNT, Asked, Extension, Refused, Told, answers


class Trails(Extension):
    """The trails of one region, kept by moto."""

    service = "cloudtrail"

    @answers("DeleteTrail")
    def delete(self, asked: Asked) -> Told:
        name = asked["Name"].rpartition(":trail/")[2]
        trails = cloudtrail_backends[ACCOUNT][self.region].trails
        if name not in trails:
            raise Refused("TrailNotFoundException", f"Unknown trail: {asked['Name']}")
        del trails[name]
        return {}
