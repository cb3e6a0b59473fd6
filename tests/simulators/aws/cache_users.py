"""Who may do what in a cache: ElastiCache's user groups, and changes of users. moto makes users only."""

import re
from copy import deepcopy
from typing import Any

from moto.elasticache.models import elasticache_backends

from tests.simulators.aws.operations import ACCOUNT, Asked, Extension, Refused, Told, answers

_PASSWORD = 16
_RULE = re.compile(r"on|off|allkeys|allchannels|resetchannels|[~&%]\S+|[+-]@?[a-z|]+")


class CacheUsers(Extension):
    """Users and user groups of one region; groups lie beside moto's users, for caches to find them."""

    service = "elasticache"

    @answers("CreateUserGroup")
    def create_group(self, asked: Asked) -> Told:
        identity = asked["UserGroupId"].lower()
        if identity in self._groups:
            raise Refused("UserGroupAlreadyExistsFault", f"User Group {identity} already exists.")
        members = self._members(asked["Engine"], asked.get("UserIds", []))
        arn = f"arn:aws:elasticache:{self.region}:{ACCOUNT}:usergroup:{identity}"
        self._groups[identity] = {
            "UserGroupId": identity,
            "Status": "active",
            "Engine": asked["Engine"].lower(),
            "UserIds": members,
            "MinimumEngineVersion": "7.2",
            "ReplicationGroups": [],
            "ARN": arn,
        }
        self._backend.tagging_service.tag_resource(arn, asked.get("Tags", []))
        self._link()
        return deepcopy(self._groups[identity])

    @answers("DescribeUserGroups")
    def groups(self, asked: Asked) -> Told:
        wanted = asked.get("UserGroupId")
        found = list(self._groups.values()) if wanted is None else [self._group(asked)]
        return {"UserGroups": deepcopy(found)}

    @answers("ModifyUserGroup")
    def modify_group(self, asked: Asked) -> Told:
        group = self._group(asked)
        staying = [each for each in group["UserIds"] if each not in asked.get("UserIdsToRemove", [])]
        wanted = list(dict.fromkeys([*staying, *asked.get("UserIdsToAdd", [])]))
        group["UserIds"] = self._members(group["Engine"], wanted)
        self._link()
        return deepcopy(group)

    @answers("DeleteUserGroup")
    def delete_group(self, asked: Asked) -> Told:
        group = self._group(asked)
        if group["ReplicationGroups"]:
            raise Refused("InvalidUserGroupState", "User group has caches that use it.")
        del self._groups[group["UserGroupId"]]
        self._link()
        return deepcopy(group) | {"Status": "deleting"}

    @answers("CreateUser")
    def create_user(self, asked: Asked) -> Told:
        mode = asked.get("AuthenticationMode", {})
        passwords = asked.get("Passwords") or mode.get("Passwords") or []
        if asked["UserId"] in self._backend.users:
            raise Refused("UserAlreadyExists", f"User {asked['UserId']} already exists.")
        if any(len(each) < _PASSWORD for each in passwords):
            raise _invalid(f"Passwords length must be between {_PASSWORD}-128 characters.")
        _check_rules(asked["AccessString"])
        user = self._backend.create_user(
            user_id=asked["UserId"],
            user_name=asked["UserName"],
            engine=asked["Engine"].lower(),
            passwords=passwords,
            access_string=asked["AccessString"],
            no_password_required=not passwords,
            authentication_type="password" if passwords else "no-password-required",
            tags=asked.get("Tags", []),
        )
        return self._told(user)

    @answers("ModifyUser")
    def modify_user(self, asked: Asked) -> Told:
        user = self._backend.users.get(asked["UserId"])
        if user is None:
            raise Refused("UserNotFound", f"User {asked['UserId']} not found.")
        rules = asked.get("AccessString", user.access_string)
        _check_rules(rules)
        user.access_string = " ".join(filter(None, (rules, asked.get("AppendAccessString"))))
        mode = asked.get("AuthenticationMode", {})
        if mode.get("Type") == "no-password-required" or asked.get("NoPasswordRequired"):
            self._refuse_without_password(user.id)
            user.passwords, user.no_password_required = [], True
        user.passwords = asked.get("Passwords") or mode.get("Passwords") or user.passwords
        return self._told(user)

    @answers("ListTagsForResource")
    def tags(self, asked: Asked) -> Told:
        found = self._backend.tagging_service.list_tags_for_resource(asked["ResourceName"])
        return {"TagList": found["Tags"]}

    @property
    def _backend(self) -> Any:
        return elasticache_backends[ACCOUNT][self.region]

    @property
    def _groups(self) -> dict[str, dict[str, Any]]:
        return user_groups(self.region)

    def _group(self, asked: Asked) -> dict[str, Any]:
        identity = asked["UserGroupId"].lower()
        if identity not in self._groups:
            raise Refused("UserGroupNotFoundFault", f"User Group {identity} not found.")
        return self._groups[identity]

    def _members(self, engine: str, wanted: list[str]) -> list[str]:
        """Return the users of a group: Valkey's are all such as prove who they are, Redis' hold `default`."""
        users = [self._backend.users.get(each) for each in wanted]
        if None in users:
            raise Refused("UserNotFound", f"User {wanted[users.index(None)]} not found.")
        if engine.lower() == "valkey":
            for each in users:
                if each.no_password_required:
                    raise _invalid(f"User {each.id} needs no password, which VALKEY does not take.")
        elif not any(each.name == "default" for each in users):
            raise Refused("DefaultUserRequired", "You must add default user to a user group.")
        names = [each.name for each in users]
        if len(names) != len(set(names)):
            raise Refused("DuplicateUserName", "Two users of the group have one name.")
        return wanted

    def _refuse_without_password(self, identity: str) -> None:
        if any(identity in each["UserIds"] and each["Engine"] == "valkey" for each in self._groups.values()):
            raise _invalid(f"User {identity} is in a group of VALKEY, which needs a password.")

    def _link(self) -> None:
        for user in self._backend.users.values():
            user.user_group_ids = [key for key, each in self._groups.items() if user.id in each["UserIds"]]

    @staticmethod
    def _told(user: Any) -> Told:
        return {
            "UserId": user.id,
            "UserName": user.name,
            "Status": user.status,
            "Engine": user.engine,
            "MinimumEngineVersion": user.minimum_engine_version,
            "AccessString": user.access_string,
            "UserGroupIds": user.user_group_ids,
            "Authentication": {
                "Type": "no-password" if user.no_password_required else "password",
                "PasswordCount": len(user.passwords),
            },
            "ARN": user.arn,
        }


def user_groups(region: str) -> dict[str, dict[str, Any]]:
    """Return the user groups of a region, which go when moto's caches go."""
    backend: Any = elasticache_backends[ACCOUNT][region]
    if not hasattr(backend, "user_groups"):
        backend.user_groups = {}
    found: dict[str, dict[str, Any]] = backend.user_groups
    return found


def _check_rules(rules: str) -> None:
    strange = [each for each in rules.split() if not _RULE.fullmatch(each)]
    if strange:
        raise _invalid(f"Invalid access string: {strange[0]}.")


def _invalid(why: str) -> Refused:
    return Refused("InvalidParameterValue", why)
