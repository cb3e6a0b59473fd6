"""Rules of WAF that moto does not keep: what an ACL is put before, where it may log, when it may go."""

from typing import Any

from moto.elbv2.models import elbv2_backends
from moto.logs.models import logs_backends
from moto.wafv2.models import wafv2_backends

from tests.simulators.aws.operations import ACCOUNT, Asked, Extension, NotOursError, Refused, Told, answers


class Firewalls(Extension):
    """Web ACLs of one region, kept by moto; requests that AWS refuses are refused."""

    service = "wafv2"

    @answers("AssociateWebACL")
    def associate(self, asked: Asked) -> Told:
        arn = asked["ResourceArn"]
        if ":loadbalancer/" in arn and arn not in elbv2_backends[ACCOUNT][self.region].load_balancers:
            raise Refused("WAFUnavailableEntityException", "AWS WAF couldn't retrieve the resource.")
        for each in self._acls.values():  # a resource has one ACL: the new one takes its place
            each.associated_resources = [one for one in each.associated_resources if one != arn]
        raise NotOursError

    @answers("PutLoggingConfiguration")
    def log(self, asked: Asked) -> Told:
        for arn in asked["LoggingConfiguration"]["LogDestinationConfigs"]:
            name = arn.rpartition(":log-group:")[2].removesuffix(":*")
            if ":logs:" in arn and not (name.startswith("aws-waf-logs-") and name in self._log_groups):
                message = "The log group's name has to begin with aws-waf-logs-, and it has to exist."
                raise Refused("WAFLogDestinationPermissionIssueException", message)
        raise NotOursError

    @answers("DeleteWebACL")
    def delete(self, asked: Asked) -> Told:
        for each in self._acls.values():
            if each.id == asked["Id"] and each.associated_resources:
                raise Refused("WAFAssociatedItemException", "The web ACL is associated with a resource.")
        raise NotOursError

    @property
    def _acls(self) -> dict[str, Any]:
        return dict(wafv2_backends[ACCOUNT][self.region].wacls)

    @property
    def _log_groups(self) -> Any:
        return logs_backends[ACCOUNT][self.region].groups
