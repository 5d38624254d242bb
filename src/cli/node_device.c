/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/node_device.h"

#include <string.h>
#include <sys/socket.h>

#include "net/netdev.h"

static tw_netdev_prefix netdev_prefix(const tw_prefix *prefix) {
  tw_netdev_prefix out = {.length = prefix->length};
  out.host.family = prefix->family == 4 ? AF_INET : AF_INET6;
  memcpy(out.host.bytes, prefix->address, prefix->family == 4 ? 4 : 16);
  return out;
}

static tw_netdev_route route_to(const tw_node_config *config, unsigned device, const tw_prefix *prefix) {
  return (tw_netdev_route){
      .to = netdev_prefix(prefix),
      .device = device,
      .table = config->interface.routing == TW_NODE_ROUTES_TABLE ? config->interface.table : 0,
      .metric = config->interface.metric,
  };
}

/* Our own subnets have their routes by our addresses. */
static bool is_on_link(const tw_node_config *config, const tw_prefix *prefix) {
  for (size_t i = 0; i < config->interface.addresses.count; i++) {
    const tw_prefix own = tw_prefix_network(&config->interface.addresses.list[i].prefix);
    if (own.family == prefix->family && own.length <= prefix->length && tw_prefix_contains(&own, prefix)) return true;
  }
  return false;
}

typedef tw_err (*route_act)(tw_netdev *netdev, const tw_netdev_route *route, tw_report *report);

/* For each prefix of a peer's that wants a route and is not `except`'s, too. */
static bool has_prefix(const tw_node_config *config, const tw_prefix *prefix) {
  for (size_t i = 0; config != NULL && i < config->peer_count; i++) {
    const tw_node_prefixes *allowed = &config->peers[i].allowed;
    if (i == config->self) continue;
    for (size_t k = 0; k < allowed->count; k++) {
      if (tw_prefix_compare(&allowed->list[k].prefix, prefix) == 0) return true;
    }
  }
  return false;
}

static tw_err for_routes(tw_netdev *netdev, unsigned device, const tw_node_config *config, const tw_node_config *except,
                         route_act act, tw_report *report) {
  if (config->interface.routing == TW_NODE_ROUTES_OFF) return TW_OK;
  for (size_t i = 0; i < config->peer_count; i++) {
    const tw_node_prefixes *allowed = &config->peers[i].allowed;
    if (i == config->self) continue;
    for (size_t k = 0; k < allowed->count; k++) {
      const tw_prefix *prefix = &allowed->list[k].prefix;
      if (is_on_link(config, prefix) || has_prefix(except, prefix)) continue;
      const tw_netdev_route route = route_to(config, device, prefix);
      TW_TRY(act(netdev, &route, report));
    }
  }
  return TW_OK;
}

static tw_err add_addresses(tw_netdev *netdev, unsigned device, const tw_node_config *config, tw_report *report) {
  for (size_t i = 0; i < config->interface.addresses.count; i++) {
    const tw_netdev_prefix address = netdev_prefix(&config->interface.addresses.list[i].prefix);
    TW_TRY(tw_netdev_add_address(netdev, device, &address, report));
  }
  return TW_OK;
}

/* A multicast group that is narrower than all of them gets a route: programs that do not name a device reach it so. */
static tw_err add_group_routes(tw_netdev *netdev, unsigned device, const tw_node_config *config, tw_report *report) {
  for (size_t i = 0; i < config->multicast.groups.count; i++) {
    const tw_prefix *prefix = &config->multicast.groups.list[i].prefix;
    if (prefix->length <= (prefix->family == 4 ? 4 : 8)) continue;
    const tw_netdev_route route = route_to(config, device, prefix);
    if (config->interface.routing != TW_NODE_ROUTES_OFF) TW_TRY(tw_netdev_replace_route(netdev, &route, report));
  }
  return TW_OK;
}

static tw_err set_up(tw_netdev *netdev, const tw_node_config *config, const tw_tun *tun, tw_report *report) {
  tw_netdev_link link;
  TW_TRY(tw_netdev_find(netdev, tun->name, &link, report));
  TW_TRY(tw_netdev_set_mtu(netdev, link.index, config->interface.mtu, report));
  TW_TRY(tw_netdev_set_multicast(netdev, link.index, true, true, report));
  TW_TRY(tw_netdev_leave_link_local(netdev, link.index, report)); /* before it is up, when the kernel makes one */
  TW_TRY(add_addresses(netdev, link.index, config, report));
  TW_TRY(tw_netdev_set_up(netdev, link.index, true, report));
  TW_TRY(for_routes(netdev, link.index, config, NULL, tw_netdev_replace_route, report));
  return add_group_routes(netdev, link.index, config, report);
}

tw_err tw_node_device_open(const tw_node_config *config, unsigned queues, bool no_offload, tw_tun *tun,
                           tw_report *report) {
  const tw_tun_config wanted = {.name = config->name, .queues = queues, .no_offload = no_offload};
  tw_netdev netdev = {0};
  TW_TRY(tw_tun_open(tun, &wanted, report));
  tw_err err = tw_netdev_open(&netdev, NULL, report);
  if (err == TW_OK) err = set_up(&netdev, config, tun, report);
  tw_netdev_close(&netdev);
  if (err != TW_OK) tw_tun_close(tun);
  return err;
}

static tw_err remove_addresses(tw_netdev *netdev, unsigned device, const tw_node_config *old,
                               const tw_node_config *config, tw_report *report) {
  for (size_t i = 0; i < old->interface.addresses.count; i++) {
    const tw_prefix *prefix = &old->interface.addresses.list[i].prefix;
    bool stays = false;
    for (size_t k = 0; k < config->interface.addresses.count; k++)
      stays = stays || tw_prefix_compare(&config->interface.addresses.list[k].prefix, prefix) == 0;
    const tw_netdev_prefix address = netdev_prefix(prefix);
    if (!stays) TW_TRY(tw_netdev_remove_address(netdev, device, &address, report));
  }
  return TW_OK;
}

tw_err tw_node_device_change(const tw_node_config *old, const tw_node_config *config, const tw_tun *tun,
                             tw_report *report) {
  tw_netdev netdev = {0};
  tw_netdev_link link = {0};
  TW_TRY(tw_netdev_open(&netdev, NULL, report));
  tw_err err = tw_netdev_find(&netdev, tun->name, &link, report);
  if (err == TW_OK) err = for_routes(&netdev, link.index, old, config, tw_netdev_remove_route, report);
  if (err == TW_OK) err = remove_addresses(&netdev, link.index, old, config, report);
  if (err == TW_OK) err = set_up(&netdev, config, tun, report);
  tw_netdev_close(&netdev);
  return err;
}
