# Sourced: a throw-away kube-apiserver on loopback for `kubectl diff`.

# start_cluster BIN DIR: starts etcd and kube-apiserver, leaves their process ids in DIR/*.pid, sets KUBECONFIG.
start_cluster() {
  local bin=$1 dir=$2 port etcd_port peer_port
  read -r port etcd_port peer_port < <(python3 -c '
import socket
s = [socket.socket() for _ in range(3)]
[x.bind(("127.0.0.1", 0)) for x in s]
print(*[x.getsockname()[1] for x in s])')
  (
    cd "$dir"
    openssl genrsa -out sa.key 2048
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=ca -days 2
    openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=kube-apiserver
    openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out tls.crt \
      -extfile <(echo "subjectAltName=IP:127.0.0.1,IP:10.0.0.1")
  ) > /dev/null 2>&1
  echo 'admintoken,admin,admin,system:masters' > "$dir/tokens.csv"
  "$bin/etcd" --data-dir "$dir/etcd" --log-level error --unsafe-no-fsync \
    --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
    --listen-peer-urls "http://127.0.0.1:$peer_port" --initial-advertise-peer-urls "http://127.0.0.1:$peer_port" \
    --initial-cluster "default=http://127.0.0.1:$peer_port" > "$dir/etcd.log" 2>&1 &
  echo $! > "$dir/etcd.pid"
  "$bin/kube-apiserver" --etcd-servers "http://127.0.0.1:$etcd_port" --secure-port "$port" --bind-address 127.0.0.1 \
    --advertise-address 127.0.0.1 --endpoint-reconciler-type=none --cert-dir "$dir" \
    --tls-cert-file "$dir/tls.crt" --tls-private-key-file "$dir/tls.key" --client-ca-file "$dir/ca.crt" \
    --token-auth-file "$dir/tokens.csv" --service-account-key-file "$dir/sa.key" \
    --service-account-signing-key-file "$dir/sa.key" --service-account-issuer https://kubernetes.default.svc \
    --service-cluster-ip-range 10.0.0.0/16 --authorization-mode RBAC --allow-privileged=true \
    --disable-admission-plugins ServiceAccount > "$dir/kube-apiserver.log" 2>&1 &
  echo $! > "$dir/kube-apiserver.pid"
  export KUBECONFIG=$dir/kubeconfig
  cat > "$KUBECONFIG" <<KUBECONFIG
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://127.0.0.1:$port", certificate-authority: "$dir/ca.crt"}}]
users: [{name: admin, user: {token: admintoken}}]
contexts: [{name: test, context: {cluster: test, user: admin, namespace: default}}]
current-context: test
KUBECONFIG
  for _ in $(seq 1 300); do "$bin/kubectl" get --raw /readyz > /dev/null 2>&1 && return; sleep 0.2; done
  echo "the control plane does not come up: $dir" >&2
  return 1
}
