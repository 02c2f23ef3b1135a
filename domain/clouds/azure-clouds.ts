import type { AzureCloud } from '../registries/registry-hosts.ts';

type Places = {
  /** Entra's, where tokens are asked for; and the other name of the same, which it may answer with. */
  authority: string;
  alias?: string;
  /** Azure Resource Manager, whose tokens registries take where they know no audience of their own. */
  resourceManager: string;
  /** What a federated credential expects in `aud`. */
  federationAudience: string;
};

export const azureClouds: Record<AzureCloud, Places> = {
  public: {
    authority: 'https://login.microsoftonline.com',
    resourceManager: 'https://management.azure.com',
    federationAudience: 'api://AzureADTokenExchange',
  },
  china: {
    authority: 'https://login.chinacloudapi.cn',
    alias: 'https://login.partner.microsoftonline.cn',
    resourceManager: 'https://management.chinacloudapi.cn',
    federationAudience: 'api://AzureADTokenExchangeChina',
  },
  usgov: {
    authority: 'https://login.microsoftonline.us',
    resourceManager: 'https://management.usgovcloudapi.net',
    federationAudience: 'api://AzureADTokenExchangeUSGov',
  },
};

/** Of a tenant or an application. */
export const azureId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
