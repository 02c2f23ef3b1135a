import type { AzureCloud } from '../registries/registry-hosts.ts';

type Places = {
  /** The host of Entra that issues tokens, and its other name, which may appear in answers. */
  authority: string;
  alias?: string;
  /** Azure Resource Manager. Registries accept its tokens if they have no audience of their own. */
  resourceManager: string;
  /** The audience that a federated credential expects. */
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

/** The id of a tenant or an application. */
export const azureId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
